from mlp_lab.commands.view import view

if __name__ == "__main__":
    view()
