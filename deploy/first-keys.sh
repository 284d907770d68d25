#!/bin/sh
# Keeps the secrets of compose.yaml, a file each, in the folder given (a volume). Those of an .env are
# taken over; for a first start without one they are made.
set -eu
umask 077
keys=$1

# Letters and digits only: they need no quoting, in addresses neither.
fresh() { head -c 64 /dev/urandom | base64 | tr -dc 'A-Za-z0-9' | head -c 48; }

for name in DJANGO_SECRET_KEY TASKMAPR_SECRET_KEY JWT_SECRET POSTGRES_PASSWORD; do
    eval "given=\${$name:-}"
    file=$keys/$name
    if [ -n "$given" ]; then
        if [ $name = TASKMAPR_SECRET_KEY ] && [ -s "$file" ]; then
            case ,$given, in
                *",$(cut -d, -f1 "$file"),"*) ;;
                *)
                    echo "What is stored was sealed with another TASKMAPR_SECRET_KEY than that of .env." >&2
                    echo "Name the one in $file, too: TASKMAPR_SECRET_KEY=new,old" >&2
                    exit 1
                    ;;
            esac
        fi
        printf %s "$given" > "$file.new"
        mv "$file.new" "$file"
    elif [ ! -s "$file" ]; then
        fresh > "$file"
        echo "Made $name"
    fi
done
printf 'postgresql://taskmapr:%s@postgres:5432/taskmapr' "$(cat "$keys/POSTGRES_PASSWORD")" \
    > "$keys/DATABASE_URL"
# The user of the image. Where only root could hand files over, they are this user's already.
[ "$(id -u)" != 0 ] || chown -R 10001:10001 "$keys"
