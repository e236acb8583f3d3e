int get(int *address) { return *address; }
