/* Defines the same symbols, is opened with RTLD_GLOBAL as well, but later. */
int value = 2;
int only_in_second = 22;

__attribute__((weak)) const char *name(void)
{
    return "second";
}

int second_value(void)
{
    return value;
}

const char *second_name(void)
{
    return name();
}
