/* Uses symbols of plugin.so without needing it: loads only when they are global. */
extern int plugin_data;
int plugin_function(int x);

int *const user_pointer = &plugin_data;

int user_function(int x)
{
    return plugin_function(x) + plugin_data;
}
