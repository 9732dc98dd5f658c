from mlp_lab.commands import predict

if __name__ == "__main__":
    predict()
