/* A library opened RTLD_GLOBAL: what it defines must be found from everywhere. */
int only_in_global(void) { return 321; }
int global_data[3] = {7, 8, 9};
