from mlp_lab.benchmark.command import benchmark

if __name__ == "__main__":
    benchmark()
