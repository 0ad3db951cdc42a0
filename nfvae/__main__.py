"""`python -m nfvae COMMAND …`."""

from nfvae.experiments.main import main

if __name__ == "__main__":
    main()
