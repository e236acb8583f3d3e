/* Data cannot wait. */
extern int nowhere_variable;

int data(void)
{
    return nowhere_variable;
}
