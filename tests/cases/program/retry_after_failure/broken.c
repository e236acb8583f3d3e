/* Needs a library that is missing. */
int gone_function(void);

int broken_function(void)
{
    return gone_function();
}
