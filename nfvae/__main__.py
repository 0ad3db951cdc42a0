"""`python -m nfvae COMMAND …`."""

from nfvae.experiments.command_line.main import main

if __name__ == "__main__":
    main()
