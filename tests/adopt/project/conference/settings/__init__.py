from cloud.env import load_env_file

# pretalx reads its variables where it is imported, which is before cloud.settings.
load_env_file()
