from mlp_lab.commands.play import play

if __name__ == "__main__":
    play()
