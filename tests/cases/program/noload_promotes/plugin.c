/* Opened local first. */
int needed_value(void);

int plugin_value(void)
{
    return needed_value() + 1;
}
