/* Opened RTLD_LOCAL. */
int plugin_function(int x)
{
    return x;
}
