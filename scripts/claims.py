from mlp_lab.commands import claims

if __name__ == "__main__":
    claims()
