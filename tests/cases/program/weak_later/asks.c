/* Needs strong.so, and is loaded when weak.so is global. */
int number(void);
extern int datum;

int asks(void)
{
    return number();
}

int asks_data(void)
{
    return datum;
}
