"""Operations, the same for every face."""
