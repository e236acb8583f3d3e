/* Files in the data of the main module: read, listed, changed; a library among them. */
#include <dirent.h>
#include <dlfcn.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

static void show(const char *path) {
    struct stat status;
    if (stat(path, &status)) {
        perror(path);
        return;
    }
    FILE *file = fopen(path, "rb");
    int sum = 0;
    for (int c; (c = fgetc(file)) != EOF;) sum = sum * 31 + c;
    fclose(file);
    printf("%s: %lld bytes, mode %o, sum %d\n", path, (long long)status.st_size, status.st_mode, sum);
}

static void list(const char *path) {
    char *names[16];
    int count = 0;
    DIR *folder = opendir(path);
    for (struct dirent *entry; folder && (entry = readdir(folder));)
        if (entry->d_name[0] != '.') names[count++] = strdup(entry->d_name);
    closedir(folder);
    for (int i = 0; i < count; i++)
        for (int j = i + 1; j < count; j++)
            if (strcmp(names[i], names[j]) > 0) { char *name = names[i]; names[i] = names[j]; names[j] = name; }
    printf("%s:", path);
    for (int i = 0; i < count; i++) printf(" %s", names[i]);
    printf("\n");
}

__attribute__((constructor)) static void early(void) { show("/data/hello.txt"); }

int main(void) {
    list("/data");
    list("/data/deep");
    show("/data/deep/bytes");
    show("/data/empty");
    show("/data/missing");
    FILE *file = fopen("/data/hello.txt", "a");
    fputs("and more\n", file);
    fclose(file);
    show("/data/hello.txt");
    printf("removed: %d\n", remove("/data/empty"));
    void *plugin = dlopen("/lib/plugin.so", RTLD_NOW);
    if (!plugin) return printf("%s\n", dlerror()), 1;
    printf("plugged: %d\n", ((int (*)(int))dlsym(plugin, "plugged"))(14));
    return 0;
}
