from mlp_lab.commands import backprop

if __name__ == "__main__":
    backprop()
