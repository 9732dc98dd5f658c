from mlp_lab.commands.reproduce import reproduce

if __name__ == "__main__":
    reproduce()
