/* Defines a symbol of its own and one of the main program. */
int plugin_only = 1;

const char *driver_name(void)
{
    return "plugin";
}
