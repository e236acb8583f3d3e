/* Weak definitions, and weak references to what is not there yet. */
__attribute__((weak)) int number(void)
{
    return 1;
}

__attribute__((weak)) int datum = 10;
__attribute__((weak)) int missing(void);
extern __attribute__((weak)) int missing_data;

int weak_asks(void)
{
    return number();
}

int weak_asks_data(void)
{
    return datum;
}

int weak_asks_missing(void)
{
    return missing != 0 ? missing() : 0;
}

int weak_asks_missing_data(void)
{
    return &missing_data != 0 ? missing_data : 0;
}
