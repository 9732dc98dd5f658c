from mlp_lab.commands.gallery import gallery

if __name__ == "__main__":
    gallery()
