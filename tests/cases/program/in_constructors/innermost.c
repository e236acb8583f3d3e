/* At the end of the constructors that open each other's libraries. */
int innermost_value;

__attribute__((constructor)) static void start(void)
{
    innermost_value = 2;
}
