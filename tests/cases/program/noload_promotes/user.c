/* Needs symbols of both, and names neither. */
int needed_value(void);
int plugin_value(void);

int use(void)
{
    return 10 * needed_value() + plugin_value();
}
