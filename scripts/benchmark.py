from mlp_lab.commands.benchmark import benchmark

if __name__ == "__main__":
    benchmark()
