# Puts passwords into users.acl: >WORKER_PASSWORD becomes the variable VALKEY_WORKER_PASSWORD, and so on. No command line
# shows them. A password is of letters and digits.
#
#     awk -f deploy/valkey/passwords.awk deploy/valkey/users.acl > /etc/valkey/users.acl

{
    while (match($0, />[A-Z]+_PASSWORD/)) {
        name = "VALKEY_" substr($0, RSTART + 1, RLENGTH - 1)
        if (ENVIRON[name] == "") {
            print name " is not set" > "/dev/stderr"
            exit 1
        }
        $0 = substr($0, 1, RSTART) ENVIRON[name] substr($0, RSTART + RLENGTH)
    }
    print
}
