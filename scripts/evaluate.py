from mlp_lab.commands import evaluate

if __name__ == "__main__":
    evaluate()
