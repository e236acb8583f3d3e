/* Uses the weak symbols that case.so defines, without needing it: they are found in the scope of the load. */
int twice(int x);
extern int counter;

typedef int function(int);

int twice_of_liba(int x)
{
    return twice(x);
}

function *address_of_twice(void)
{
    return twice;
}

int *address_of_counter(void)
{
    return &counter;
}
