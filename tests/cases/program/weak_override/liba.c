/* Defines the same weak symbols as the other library: whichever comes first in the scope is everyone's. */
typedef const char *function(void);

__attribute__((weak)) const char *which(void)
{
    return "liba";
}

__attribute__((weak)) const char *which_data = "data of liba";

/* The main program has a function of this name, and comes before all libraries. */
__attribute__((weak)) const char *driver_name(void)
{
    return "liba instead of the driver";
}

const char *which_of_a(void)
{
    return which();
}

const char *which_data_of_a(void)
{
    return which_data;
}

const char *driver_name_of_a(void)
{
    return driver_name();
}

function *address_of_a(void)
{
    return which;
}
