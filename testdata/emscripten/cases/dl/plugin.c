/* A library opened RTLD_LOCAL: what it defines must be found by its handle only, and it is loaded once. */
int plugin_value = 5;
static int loads;
int plugin_add(int n) { plugin_value += n; return plugin_value; }
__attribute__((constructor)) static void loaded(void) { loads++; }
int plugin_loads(void) { return loads; }
int only_in_plugin(void) { return 123; }
