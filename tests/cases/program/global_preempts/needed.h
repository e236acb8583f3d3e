/* What first.so needs. */
int needed_function(void);
