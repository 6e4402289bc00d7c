"""The configuration: universe, parameters and claims (YAML files with their types), and the calendars."""
