from mlp_lab.commands.train import train

if __name__ == "__main__":
    train()
