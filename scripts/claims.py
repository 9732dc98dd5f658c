from mlp_lab.commands.claims import claims

if __name__ == "__main__":
    claims()
