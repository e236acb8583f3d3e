/* Of two libraries with one name, the one in the folder `second`. */
const char *which(void)
{
    return "second";
}
