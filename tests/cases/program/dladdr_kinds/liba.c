/* A second definition of a weak function. */
__attribute__((weak)) int shared_weak(void)
{
    return 2;
}

int (*other_weak(void))(void)
{
    return shared_weak;
}
