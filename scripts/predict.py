from mlp_lab.commands.predict import predict

if __name__ == "__main__":
    predict()
