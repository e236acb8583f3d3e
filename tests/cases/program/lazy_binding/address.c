/* Nor can the address of a function. */
int nowhere_function(int x);

int (*address(void))(int)
{
    return nowhere_function;
}
