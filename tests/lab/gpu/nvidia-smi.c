/* nvidia-smi of Dockwright's lab, a stand-in: it lists the GPUs that the stand-in of libnvidia-ml
 * names and whose device nodes may be opened.
 *
 * Nothing is behind the nodes, so opening one ends with ENXIO where the device policy of a cgroup
 * allows it, and with EPERM where it does not: that is how access is told from its loss, in a
 * container as on the host. Words and exit codes are those of NVIDIA's program. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static int reached(const char *path) {
    int fd = open(path, O_RDWR | O_CLOEXEC);
    if (fd >= 0) {
        close(fd);
        return 0;
    }
    return errno == ENXIO ? 0 : errno;
}

static int mismatched(const char *version) {
    char line[512], wanted[80];
    FILE *module = fopen("/proc/driver/nvidia/version", "r");
    if (!module) /* a container has a /proc of its own, which the stand-in cannot fill */
        return 0;
    snprintf(wanted, sizeof wanted, " %s ", version);
    int same = fgets(line, sizeof line, module) && strstr(line, wanted);
    fclose(module);
    return !same;
}

int main(int words, char **word) {
    /* --query-gpu=index,mig.mode.current --format=csv,noheader: on where the name has MIG in it. */
    int query = words > 1 && !strncmp(word[1], "--query-gpu=index,mig.mode.current", 34);
    char line[512], version[64] = "", uuid[64], name[128], node[64];
    int index, denied, shown = 0;
    FILE *library = fopen(LIBRARY, "r");
    if (!library) {
        puts("NVIDIA-SMI couldn't find libnvidia-ml.so library in your system.");
        return 12;
    }
    while (fgets(line, sizeof line, library)) {
        if (sscanf(line, "version %63s", version) == 1) {
            if (mismatched(version)) {
                printf("Failed to initialize NVML: Driver/library version mismatch\n"
                       "NVML library version: %s\n", version);
                return 18;
            }
            denied = reached("/dev/nvidiactl");
            if (denied == ENOENT) {
                puts("NVIDIA-SMI has failed because it couldn't communicate with the NVIDIA driver. "
                     "Make sure that the latest NVIDIA driver is installed and running.");
                return 9;
            }
            if (denied) {
                puts("Failed to initialize NVML: Unknown Error");
                return 255;
            }
        } else if (sscanf(line, "gpu %d %63s %127[^\n]", &index, uuid, name) == 3) {
            snprintf(node, sizeof node, "/dev/nvidia%d", index);
            denied = reached(node);
            if (denied == ENOENT)
                continue;
            if (denied) {
                puts("Failed to initialize NVML: Unknown Error");
                return 255;
            }
            if (query)
                printf("%d, %s\n", index, strstr(name, "MIG") ? "Enabled" : "[N/A]");
            else
                printf("GPU %d: %s (UUID: %s)\n", index, name, uuid);
            shown++;
        }
    }
    if (!shown)
        puts("No devices were found");
    return shown ? 0 : 6;
}
