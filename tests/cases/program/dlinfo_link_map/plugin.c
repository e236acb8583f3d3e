/* Comes and goes. */
int datum = 1;
