from mlp_lab.commands.evaluate import evaluate

if __name__ == "__main__":
    evaluate()
