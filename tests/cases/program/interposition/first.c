/* Global, loaded first: defines what second.so defines. */
const char *only_first(void)
{
    return "first";
}

const char *strong(void)
{
    return "first";
}

const char *weak(void)
{
    return "first";
}

const char *taken(void)
{
    return "first";
}

const char *text = "first";

const char *local(void)
{
    return "first";
}

const char *hidden(void)
{
    return "first";
}
