/* A library that is first opened RTLD_LOCAL, then RTLD_GLOBAL. */
int plugin_data = 6;

int plugin_function(int x)
{
    return x * plugin_data;
}
