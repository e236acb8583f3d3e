/* Of two libraries with one name, the one in the folder `first`. */
const char *which(void)
{
    return "first";
}
