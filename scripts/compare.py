from mlp_lab.commands.compare import compare

if __name__ == "__main__":
    compare()
