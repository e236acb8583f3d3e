/* The source of two libraries. */
char twin_data[100] = TWIN;
