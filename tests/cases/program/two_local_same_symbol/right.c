/* Defines the same symbols as the other plugin, and must use its own. */
const char *name(void);

int value = 2;
__attribute__((weak)) int weak_value = 20;
int *value_pointer = &value;
const char *(*name_pointer)(void) = name;

const char *name(void)
{
    return "right";
}

__attribute__((weak)) const char *weak_name(void)
{
    return "weak right";
}

int increment(void)
{
    weak_value += value;
    return value += 100;
}

int *get_value(void)
{
    return &value;
}

int pointers_agree(void)
{
    return value_pointer == &value && name_pointer == name && name_pointer() == name();
}

const char *call_weak_name(void)
{
    return weak_name();
}

int get_weak_value(void)
{
    return weak_value;
}
