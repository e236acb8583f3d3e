/* Leaves while pointers to it are still about. */
int plugin_data[1000];

int plugin_function(void)
{
    return plugin_data[0];
}
