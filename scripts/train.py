from mlp_lab.commands import train

if __name__ == "__main__":
    train()
