/* Zeroed data alone. */
int zeros[1000];
