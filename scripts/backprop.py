from mlp_lab.commands.backprop import backprop

if __name__ == "__main__":
    backprop()
