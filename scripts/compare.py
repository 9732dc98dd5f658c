from mlp_lab.commands import compare

if __name__ == "__main__":
    compare()
