/* A second library, so that dladdr has to tell which one an address belongs to. */
int liba_data[4] = {1, 2, 3, 4};

int liba_function(int x)
{
    return x + liba_data[0];
}
